from lmworks.errors import GateRefused as GateRefused
from lmworks.errors import LmworksError as LmworksError
from lmworks.errors import Stopped as Stopped
from lmworks.errors import UsageError as UsageError
