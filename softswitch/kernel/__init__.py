"""What every floor stands on: time, deadlines, dice and errors. Imports nothing of ours."""
