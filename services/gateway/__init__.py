"""The HTTP face of the platform: five published APIs and its own.

Owns: tenants, API keys, accounts and their quotas, projects with their groups and webhooks, webhook endpoints, containers and
watch folders, folders, upload projection.
Consumes: every event, for its projection.
Publishes: TenantConfigured, UploadRegistered, UploadFinishRequested, UploadAbortRequested, FileDeleteRequested,
FileRetentionChanged, FetchRequested, AccountConfigured, WatchFolderConfigured, PublicationRequested, WebhookRequested,
WebhookEndpointConfigured, WebhookReplayRequested, WebhookPingRequested.
"""
