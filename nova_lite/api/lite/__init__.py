"""The API at ``/lite``: what no OpenStack API has a place for. For operators."""
