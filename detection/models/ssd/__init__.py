"""SSDLite on MobileNetV2 (Liu et al. 2016; Sandler et al. 2018), one concept a file."""
