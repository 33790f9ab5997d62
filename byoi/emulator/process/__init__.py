"""An emulator's life: started, found in the environment, stopped, and cleared away.

* `running`: an emulator in a process of its own, for as long as a context lasts
* `rehearsal`: the same notebook with an emulator or on AWS
* `foreground`: what `byoi emulator` does, alone and around a command
* `server`: the emulator itself
* `environment`: the variables that lead to it
* `belongings`: what it leaves on this machine
"""
