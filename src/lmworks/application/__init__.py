"""The local application of `lmworks open`, which shows a store. A page is one file and one row of `pages.PAGES`."""
