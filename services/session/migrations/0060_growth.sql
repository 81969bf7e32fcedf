-- An update finds room on the page of its row: what did not change is then left out of the write-ahead log.
ALTER TABLE sessions SET (fillfactor = 60);
