"""What every tier shares: no client of a test takes anything of the user's AWS settings, or can reach an account."""

from local.environment import isolate

isolate()
