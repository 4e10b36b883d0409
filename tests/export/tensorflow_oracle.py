"""A model written as a tf.function over plain matmuls, through TensorFlow's converter."""

import numpy as np


def convert(model, seq_len, tf, dynamic_range=False):
    """The .tflite that TensorFlow makes of the model over plain matmuls, with int8 weights if `dynamic_range`."""

    def linear(x, dense, scale=1.0):
        return tf.matmul(x, np.asarray(dense.kernel[...]) * np.float32(scale)) + np.asarray(dense.bias[...]) * np.float32(scale)

    def norm(x, layer_norm):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        normal = (x - mean) * tf.math.rsqrt(variance + np.float32(model.config.layer_norm_eps))
        return normal * np.asarray(layer_norm.scale[...]) + np.asarray(layer_norm.bias[...])

    def attend(x, attention, mask):
        own = attention.self
        split = (seq_len, own.heads, own.head_dim)
        query, key, value = (
            tf.transpose(tf.reshape(linear(x, dense, scale), split), (1, 0, 2))
            for dense, scale in ((own.query, own.head_dim**-0.5), (own.key, 1.0), (own.value, 1.0))
        )
        mixed = tf.matmul(tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + mask), value)
        mixed = tf.reshape(tf.transpose(mixed, (1, 0, 2)), (seq_len, own.heads * own.head_dim))
        return norm(linear(mixed, attention.output.dense) + x, attention.output.LayerNorm)

    def logits(input_ids, attention_mask, token_type_ids):
        weight = tf.cast(attention_mask, tf.float32)
        tables = model.embeddings
        x = tf.gather(np.asarray(tables.word_embeddings.embedding[...]), input_ids)
        x = tf.reshape(x + tf.gather(np.asarray(tables.token_type_embeddings.embedding[...]), token_type_ids), (seq_len, -1))
        x = norm(x + np.asarray(tables.position_embeddings.embedding[...])[:seq_len], tables.LayerNorm)
        for block in model.layer:
            x = attend(x, block.attention, (1.0 - weight) * -1e9)
            wide = tf.nn.gelu(linear(x, block.feed_forward.intermediate.dense), approximate=False)
            x = norm(linear(wide, block.feed_forward.output.dense) + x, block.feed_forward.output.LayerNorm)
        column = tf.reshape(weight, (seq_len, 1))
        length = tf.maximum(tf.reduce_sum(column, 0, keepdims=True), 1.0)
        return linear(tf.reduce_sum(x * column, 0, keepdims=True) / length, model.head.classifier)

    names = ("input_ids", "attention_mask", "token_type_ids")
    signature = [tf.TensorSpec([1, seq_len], tf.int32, name=name) for name in names]
    concrete = tf.function(logits, input_signature=signature).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if dynamic_range else []
    return converter.convert()
