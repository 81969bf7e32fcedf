"""A YouTube channel: YouTube Data API v3, with the resumable upload protocol.

`connector` puts it together: `metadata` says what the video is called, `upload` brings the bytes, `processing` waits until
YouTube has made a video of them; all of them ask through `api`, in the account's name, with a token of `token`.

A video has no name that we could choose, so a repeated publication is known by the upload's session alone. Its URI is saved
before the first byte goes out and asked before any further one; the video's id takes its place as soon as it is known. YouTube
makes a video when it has the last byte, never earlier, and one for each session. Only a session that is gone although its last
byte may have arrived leaves open whether there is a video: then we say so instead of uploading it again.

https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol
https://developers.google.com/youtube/v3/docs/videos
"""
