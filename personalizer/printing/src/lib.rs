//! Card faces and card printers: layout, raster, drivers, simulator.
