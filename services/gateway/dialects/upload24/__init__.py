"""The Upload24 API (acceptance rows T-01 to T-30, part 2.2): one upload, published to many accounts.

A session takes the bytes (one PUT, or parts) and is completed by the client; a form does both at once. Only then is there a
record with a status. What the published text leaves open is ours: the JSON of answers, the error envelope and its codes, the
field `youtube`, and `POST /api/upload/multipart/resume`.
"""
