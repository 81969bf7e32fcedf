"""What is done with a job."""
