"""The resize in front of an ONNX model, so that it takes photos as they are."""

from __future__ import annotations


def take_photos(model: bytes, side: int) -> bytes:
    """Let an ONNX model take photos: stretched to its square, filtered as Pillow does.

    ``model`` has one input, float32 ``[1, side, side, 3]``; what comes back has ``input_tensor``
    instead, uint8 ``[1, H, W, 3]`` of any size, and the same outputs. ONNX Runtime resizes bytes in
    whole numbers and rounds after each direction, as Pillow does: of a photo that shrinks, less
    than one value in a hundred is another, by 1 of 255.
    """
    import onnx
    from onnx.helper import make_node, make_tensor, make_tensor_value_info

    proto = onnx.load_from_string(model)
    (square,) = proto.graph.input
    front = [
        make_node(
            "Resize",
            ["input_tensor", "", "", "square_shape"],
            ["stretched"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
            antialias=1,
            # Beyond the photo's edge there is nothing. By default its outermost pixels count
            # there again, which moves the square's border by up to 19 of 255.
            exclude_outside=1,
        ),
        make_node("Cast", ["stretched"], [square.name], to=onnx.TensorProto.FLOAT),
    ]
    nodes = [*front, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    shape = make_tensor("square_shape", onnx.TensorProto.INT64, [4], [1, side, side, 3])
    proto.graph.initializer.append(shape)
    photo = make_tensor_value_info(
        "input_tensor", onnx.TensorProto.UINT8, [1, "height", "width", 3]
    )
    square.CopyFrom(photo)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())
