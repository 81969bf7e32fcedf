"""The HTTP face of the platform: five published APIs and its own.

Owns: tenants, API keys, projects with their groups and webhooks, webhook endpoints,
folders, upload projection.
Consumes: every event, for its projection.
Publishes: TenantConfigured, UploadRegistered, UploadFinishRequested, UploadAbortRequested,
FileDeleteRequested, FileRetentionChanged, FetchRequested, WebhookRequested,
WebhookEndpointConfigured, WebhookReplayRequested, WebhookPingRequested.
"""
