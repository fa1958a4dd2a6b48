"""`bench scale`: times of pages, verify, scrape and collection against the size of the data."""
