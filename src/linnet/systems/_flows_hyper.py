"""Flows of four coordinates, most of them with two positive exponents."""

from ._equations import flow


@flow("HyperRossler")
def hyper_rossler(t, u, a, b, c, d):
    x, y, z, w = u
    return -y - z, x + a * y + w, b + x * z, d * w - c * z


@flow("HyperLorenz")
def hyper_lorenz(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x) + w, (c - z) * x - y, x * y - b * z, d * w - x * z


@flow("HyperJha")
def hyper_jha(t, u, a, b, c, d):
    return hyper_lorenz(t, u, a, c, b, d)


@flow("HyperCai")
def hyper_cai(t, u, a, b, c, d, e):
    x, y, z, w = u
    return a * (y - x), (b - z) * x + c * y + w, y**2 - d * z, -e * x


@flow("HyperBao")
def hyper_bao(t, u, a, b, c, d, e):
    x, y, z, w = u
    return a * (y - x) + w, c * y - x * z, x * y - b * z, e * x + d * y * z


@flow("HyperLu")
def hyper_lu(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x) + w, c * y - x * z, x * y - b * z, d * w + x * z


@flow("HyperPang")
def hyper_pang(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x), c * y - x * z + w, x * y - b * z, -d * (x + y)


@flow("HyperYangChen")
def hyper_yang_chen(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x), (c - z) * x + w, x * y - b * z, -d * x


@flow("HyperYan")
def hyper_yan(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x), (c - a - z) * x + c * y, x * y - b * z + (x - y) * z - w, (y - x) * z - d * w


@flow("HyperXu")
def hyper_xu(t, u, a, b, c, d, e):
    x, y, z, w = u
    return a * (y - x) + w, (b + e * z) * x, -c * z - x * y, x * z - d * y


@flow("HyperWang")
def hyper_wang(t, u, a, b, c, d, e):
    x, y, z, w = u
    return a * (y - x), (b - z) * x + w, e * x**2 - c * z, -d * x


@flow("HyperQi")
def hyper_qi(t, u, a, b, c, d, e, f):
    x, y, z, w = u
    return a * (y - x) + y * z, b * (x + y) - x * z, x * y - c * z - e * w, x * y + f * z - d * w


@flow("Qi")
def qi(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x) + y * z * w, b * (x + y) - x * z * w, x * y * w - c * z, x * y * z - d * w


@flow("LorenzStenflo")
def lorenz_stenflo(t, u, a, b, c, d):
    x, y, z, w = u
    return a * (y - x) + d * w, (c - z) * x - y, x * y - b * z, -x - a * w
