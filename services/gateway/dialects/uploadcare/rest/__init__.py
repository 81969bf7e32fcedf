"""Uploadcare's REST API v0.7, as far as clients call it after an upload, and its webhooks.

The newest published description is at https://uploadcare.com/docs/api/rest/; shapes and statuses are those that `pyuploadcare`
and `@uploadcare/rest-client` read. Copies of processed images or to a customer's own storage, conversions, add-ons, tags and
search are not here.
"""
