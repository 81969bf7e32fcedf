-- A video that can be played while it is still being made: the name of its master playlist among the renditions.
ALTER TABLE uploads ADD COLUMN stream_playlist text;
