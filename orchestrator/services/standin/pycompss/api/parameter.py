"""Types and directions of task parameters, with the public names of PyCOMPSs.

``from pycompss.api.parameter import *`` gives everything that a ``@task`` or ``@binary`` may use.
"""


class _Param:
    """The declaration of a parameter by one name, such as ``FILE_OUT_STDOUT``."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return self.key


class SupportedDirections:
    """Directions of the long notation: ``{Type: FILE, Direction: DIRECTION.OUT}``."""

    IN = 0
    OUT = 1
    INOUT = 2
    CONCURRENT = 3
    COMMUTATIVE = 4
    IN_DELETE = 5


class SupportedIoStreams:
    """Standard streams of a binary."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    UNSPECIFIED = 3


DIRECTION = SupportedDirections()
IOSTREAM = SupportedIoStreams()

IN = _Param("IN")
OUT = _Param("OUT")
INOUT = _Param("INOUT")
CONCURRENT = _Param("CONCURRENT")
COMMUTATIVE = _Param("COMMUTATIVE")
IN_DELETE = _Param("IN_DELETE")

FILE = _Param("FILE")
FILE_IN = _Param("FILE_IN")
FILE_OUT = _Param("FILE_OUT")
FILE_INOUT = _Param("FILE_INOUT")
FILE_CONCURRENT = _Param("FILE_CONCURRENT")
FILE_COMMUTATIVE = _Param("FILE_COMMUTATIVE")

FILE_STDIN = _Param("FILE_STDIN")
FILE_STDERR = _Param("FILE_STDERR")
FILE_STDOUT = _Param("FILE_STDOUT")
FILE_IN_STDIN = _Param("FILE_IN_STDIN")
FILE_IN_STDERR = _Param("FILE_IN_STDERR")
FILE_IN_STDOUT = _Param("FILE_IN_STDOUT")
FILE_OUT_STDIN = _Param("FILE_OUT_STDIN")
FILE_OUT_STDERR = _Param("FILE_OUT_STDERR")
FILE_OUT_STDOUT = _Param("FILE_OUT_STDOUT")
FILE_INOUT_STDIN = _Param("FILE_INOUT_STDIN")
FILE_INOUT_STDERR = _Param("FILE_INOUT_STDERR")
FILE_INOUT_STDOUT = _Param("FILE_INOUT_STDOUT")
FILE_CONCURRENT_STDIN = _Param("FILE_CONCURRENT_STDIN")
FILE_CONCURRENT_STDERR = _Param("FILE_CONCURRENT_STDERR")
FILE_CONCURRENT_STDOUT = _Param("FILE_CONCURRENT_STDOUT")
FILE_COMMUTATIVE_STDIN = _Param("FILE_COMMUTATIVE_STDIN")
FILE_COMMUTATIVE_STDERR = _Param("FILE_COMMUTATIVE_STDERR")
FILE_COMMUTATIVE_STDOUT = _Param("FILE_COMMUTATIVE_STDOUT")

DIRECTORY = _Param("DIRECTORY")
DIRECTORY_IN = _Param("DIRECTORY_IN")
DIRECTORY_OUT = _Param("DIRECTORY_OUT")
DIRECTORY_INOUT = _Param("DIRECTORY_INOUT")

COLLECTION = _Param("COLLECTION")
COLLECTION_IN = _Param("COLLECTION_IN")
COLLECTION_INOUT = _Param("COLLECTION_INOUT")
COLLECTION_OUT = _Param("COLLECTION_OUT")
COLLECTION_IN_DELETE = _Param("COLLECTION_IN_DELETE")
COLLECTION_FILE = _Param("COLLECTION_FILE")
COLLECTION_FILE_IN = _Param("COLLECTION_FILE_IN")
COLLECTION_FILE_INOUT = _Param("COLLECTION_FILE_INOUT")
COLLECTION_FILE_OUT = _Param("COLLECTION_FILE_OUT")

DICTIONARY = _Param("DICT_COLLECTION")
DICTIONARY_IN = _Param("DICT_COLLECTION_IN")
DICTIONARY_INOUT = _Param("DICT_COLLECTION_INOUT")
DICTIONARY_OUT = _Param("DICT_COLLECTION_OUT")
DICTIONARY_IN_DELETE = _Param("DICT_COLLECTION_IN_DELETE")

STREAM_IN = _Param("STREAM_IN")
STREAM_OUT = _Param("STREAM_OUT")

STDIN = IOSTREAM.STDIN
STDOUT = IOSTREAM.STDOUT
STDERR = IOSTREAM.STDERR

# The keys of the long notation, ``{Type: FILE_IN, Prefix: "--in="}``, with the spelling of PyCOMPSs.
Type = "type"
Direction = "direction"
StdIOStream = "stream"
Prefix = "prefix"
Depth = "depth"
Weight = "weight"
Keep_rename = "keep_rename"
Cache = "cache"

# The keys of the memory layout of collections of native MPI tasks.
block_count = "block_count"
block_length = "block_length"
stride = "stride"
