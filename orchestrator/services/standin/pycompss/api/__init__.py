"""The public modules of PyCOMPSs that programs import from: ``task``, ``parameter``, ``api``, ``binary`` and others."""
