"""How loops over pixels are compiled: without the lock of Python, and kept between runs.

numba compiles a function anew when its own file has changed, not when one that it calls has:
functions that call each other lie in one file.
"""

import numba

compiled = numba.njit(nogil=True, cache=True, error_model="numpy")
