"""The pages of each build, in the order of the bar. To add a page, add a file here and a row to `PAGES`."""

from __future__ import annotations

from lmworks.application import chats, overview, planned, predicting, reported, searched, training
from lmworks.application.opened import Page

PAGES = (
    Page("overview", "Overview", overview.routes),
    Page(planned.PAGE, "Plan", planned.routes),
    Page(training.PAGE, "Training", training.routes),
    Page(reported.REPORT, "Report", reported.report_routes),
    Page(reported.DATA, "Data", reported.data_routes),
    Page(searched.PAGE, "Passages", searched.routes),
    Page(predicting.PAGE, "Predict", predicting.routes),
    Page(chats.PAGE, "Chat", chats.routes),
)
