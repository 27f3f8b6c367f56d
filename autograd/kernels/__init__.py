"""Array kernels: plain NumPy arrays in, plain NumPy arrays out, with no knowledge of the graph.

Each is written in NumPy here; those of which a compiled form pays have one in `_numba`, which goes
first where Numba is installed (see `_twins`).
"""

from autograd.kernels._threads import in_a_thread_each as in_a_thread_each
from autograd.kernels._windows import conv_output_shape as conv_output_shape
from autograd.kernels.convolution import conv as conv
from autograd.kernels.convolution import conv_and_weight_grad as conv_and_weight_grad
from autograd.kernels.convolution import conv_grads as conv_grads
from autograd.kernels.convolution import conv_input_grad as conv_input_grad
from autograd.kernels.convolution import conv_weight_grad as conv_weight_grad
from autograd.kernels.convolution import worth_a_thread_each as worth_a_thread_each
from autograd.kernels.elementwise import activation as activation
from autograd.kernels.elementwise import activation_grad as activation_grad
from autograd.kernels.elementwise import leaky_relu as leaky_relu
from autograd.kernels.elementwise import leaky_relu_grad as leaky_relu_grad
from autograd.kernels.elementwise import relu as relu
from autograd.kernels.elementwise import relu_grad as relu_grad
from autograd.kernels.elementwise import zeros as zeros
from autograd.kernels.im2col import col2im as col2im
from autograd.kernels.im2col import im2col as im2col
from autograd.kernels.loops import Loop as Loop
from autograd.kernels.losses import cross_entropy as cross_entropy
from autograd.kernels.losses import cross_entropy_grad as cross_entropy_grad
from autograd.kernels.losses import ones as ones
from autograd.kernels.losses import small_cross_entropy as small_cross_entropy
from autograd.kernels.losses import softmax as softmax
from autograd.kernels.losses import softmax_grad as softmax_grad
from autograd.kernels.matmul import matmul as matmul
from autograd.kernels.normalization import channel_combine as channel_combine
from autograd.kernels.normalization import channel_dots as channel_dots
from autograd.kernels.normalization import channel_moments as channel_moments
from autograd.kernels.normalization import channel_scale as channel_scale
from autograd.kernels.normalization import channel_sums as channel_sums
from autograd.kernels.normalization import group_norm as group_norm
from autograd.kernels.normalization import group_norm_grad as group_norm_grad
from autograd.kernels.pooling import avg_pool as avg_pool
from autograd.kernels.pooling import avg_pool_input_grad as avg_pool_input_grad
from autograd.kernels.pooling import max_gather as max_gather
from autograd.kernels.pooling import max_pool as max_pool
from autograd.kernels.pooling import max_pool_grad as max_pool_grad
from autograd.kernels.pooling import max_unpool as max_unpool
from autograd.kernels.pooling import pool_output_shape as pool_output_shape
from autograd.kernels.updates import adam_step as adam_step
from autograd.kernels.updates import sgd_step as sgd_step
from autograd.kernels.updates import steps_together as steps_together
