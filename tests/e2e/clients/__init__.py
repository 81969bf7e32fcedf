"""Uploadcare's own clients, unmodified, pointed at a running platform; every byte must come back equal.

`pyuploadcare` runs in the tests' process, `@uploadcare/upload-client` in Node and in a page of headless Chromium, and
`@uploadcare/file-uploader` in such a page, operated as a person would. Pages come from an origin other than the platform's.
The JavaScript packages lie in `node_modules` (package-lock.json, `make test`). Nothing leaves this machine: what the clients
tell third parties by design (telemetry, Pusher) finds no address there.
"""
