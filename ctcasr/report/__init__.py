"""The error report: one HTML page that holds everything it shows and needs no network."""

from ctcasr.report.page import ReportSettings, report_html

__all__ = ["ReportSettings", "report_html"]
