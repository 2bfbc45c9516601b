#!/usr/bin/python3
"""A real RTSP camera on loopback, run by Debian's Python with GStreamer's RTSP server.

    rtsp_server.py PORT WIDTH HEIGHT RATE

Serves rtsp://127.0.0.1:PORT/live: H.264, a moving ball, a key frame each second.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PORT, WIDTH, HEIGHT, RATE = (int(value) for value in sys.argv[1:5])

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_service(str(PORT))
server.set_address("127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball motion=wavy background-color=0xff606060 ! "
    f"video/x-raw,width={WIDTH},height={HEIGHT},framerate={RATE}/1 ! "
    f"x264enc tune=zerolatency speed-preset=ultrafast key-int-max={RATE} bitrate=500 ! "
    "h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
if server.attach(None) == 0:
    sys.exit(f"port {PORT} cannot be served")
print("ready", flush=True)
GLib.MainLoop().run()
