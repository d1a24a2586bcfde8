"""SSDLite with a MobileNetV2 backbone (Liu et al. 2016; Sandler et al. 2018), one concept a file."""
