"""Prints what the field's own library says of the attribute certificates in a proxy file: "ok", or
its error. The library is libvomsapi with full verification, as services use it; of the command line
tools, none verifies."""

import ctypes
import sys

RECURSE_CHAIN = 0
VERIFY_FULL = 0xFFFFFFFF

crypto = ctypes.CDLL("libcrypto.so.3")
voms = ctypes.CDLL("libvomsapi.so.1")
for library, names in ((crypto, ("BIO_new_file", "PEM_read_bio_X509", "OPENSSL_sk_new_null")), (voms, ("VOMS_Init", "VOMS_ErrorMessage"))):
    for name in names:
        getattr(library, name).restype = ctypes.c_void_p

bio = ctypes.c_void_p(crypto.BIO_new_file(sys.argv[1].encode(), b"r"))
chain = ctypes.c_void_p(crypto.OPENSSL_sk_new_null())
leaf = None
while cert := crypto.PEM_read_bio_X509(bio, None, None, None):
    leaf = leaf or cert
    crypto.OPENSSL_sk_push(chain, ctypes.c_void_p(cert))

error = ctypes.c_int()
data = ctypes.c_void_p(voms.VOMS_Init(None, None))
voms.VOMS_SetVerificationType(ctypes.c_int(VERIFY_FULL), data, ctypes.byref(error))
if voms.VOMS_Retrieve(ctypes.c_void_p(leaf), chain, RECURSE_CHAIN, data, ctypes.byref(error)):
    print("ok")
else:
    print(ctypes.string_at(voms.VOMS_ErrorMessage(data, error, None, 0)).decode())
