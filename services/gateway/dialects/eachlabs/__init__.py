"""The eachlabs storage API: `/api/v1/uploads` (acceptance rows E-01 to E-22, part 2.3).

There is no completion call: the client PUTs to `upload_url` with exactly `required_headers`, and the storage says the rest.
"""
