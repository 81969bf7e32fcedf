"""What image processing takes."""

from prometheus_client import Histogram

IMAGES = Histogram(
    "longshore_gateway_image_seconds",
    "Time to make one image, from the store and back to it",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
