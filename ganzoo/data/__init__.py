"""Data: what a set is (`base`), pictures of one's own (`sources`), and how any of it becomes batches (`feed`)."""

from ganzoo.data.base import ArrayData, Data, DataRequest, DataSpec, Field

__all__ = ["ArrayData", "Data", "DataRequest", "DataSpec", "Field"]
