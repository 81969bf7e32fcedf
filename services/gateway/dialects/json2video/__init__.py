"""The json2video media API: `/v2/media…` (acceptance rows J-01 to J-23, part 2.5).

Files have names and lie in folders; a name belongs to one live file. The vendor publishes no error envelope, so it is
`{success: false, message}` with the messages that it does publish.
"""
