"""One local application for what a store holds: `lmworks open`. A page is one file and one row of `pages.PAGES`."""
