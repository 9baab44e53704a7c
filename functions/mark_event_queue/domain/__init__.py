"""What the application knows about events, whatever carries them: no AWS client, no framework."""
