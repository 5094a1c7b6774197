import os
import sys
from pathlib import Path

assert __name__ == "__main__"
assert sys.argv == [__file__]
seen = [NODE, INSTANCE, INSTANCES, word, Snake_0_word, numbers, flag, Path(notes).read_text().strip()]  # noqa: F821
seen += [str(len(secret)), os.environ["word"]]  # noqa: F821, SIM112
Path(folder, "snake").write_text("\0".join(seen))  # noqa: F821
SAID = word + ", and\nmore"  # noqa: F821
TOLD = {"a": [1, 2]}
PLAIN = 5
sys.exit(0)
