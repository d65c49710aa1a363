"""compute.worker: who does on a host what ``actions`` wrote: ``manager`` takes the bells, one module a verb family carries tasks out."""
