"""Tells tenants' webhook endpoints what becomes of their uploads, sends it once more on request, and gives dead ones up.

What an event means for endpoints is in `news`, how it is written in `formats`. Sending is every webhook's (`delivery.jobs`).
"""
