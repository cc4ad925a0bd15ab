"""The tiny model, conversations and services that other rooms are tested on."""

from data.conftest import id_key as id_key
from data.conftest import write_service as write_service
from evaluate.conftest import conversations as conversations
from evaluate.conftest import documents as documents
from evaluate.conftest import model as model
