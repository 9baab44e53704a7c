"""What the pipeline costs in calls, work and time, measured beside a floor and beside other ways in one run."""
