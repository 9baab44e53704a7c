"""The design and the original pattern on a virtual clock, on which a call takes a set time and waiting costs nothing.

The local engine shows what calls cost in CPU, on AWS one waits for them. Here the real converter and the
real definition run in one process, one call after another, while the clock says what they would take side by side.
"""
