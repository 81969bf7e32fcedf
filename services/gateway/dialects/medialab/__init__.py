"""The MediaLab upload API: upload ids, files under them, remote files, folders (acceptance rows M-01 to M-29, part 2.1).

An upload id is registered first; its answer carries a signed address that takes files without any other credentials, from
web pages of any origin, too. What the vendor does not publish is ours and documented with the routes: the body of
`/api/upload/remote`, further fields of answers, statuses and error codes, and how long an upload id lives.
"""
