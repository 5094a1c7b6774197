"""Python runs this first. A warm Ansible with a second thread is of no use, so that each playbook has its own."""

import sys
import threading

if any(word.endswith("warm.py") for word in sys.orig_argv):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
