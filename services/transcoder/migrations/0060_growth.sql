-- An update finds room on the page of its row: what did not change is then left out of the write-ahead log.
ALTER TABLE job SET (fillfactor = 60);
