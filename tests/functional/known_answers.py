"""Known answers of password hashes and ciphers: of the standards, and of pgcrypto with OpenSSL."""

from __future__ import annotations

PASSWORDS = (
    ("", "ab", "abmF1QH4PEr.E"),
    ("", "_J9..rasm", "_J9..rasmTB5D3hoAd8A"),
    ("", "$1$saltsalt", "$1$saltsalt$5Jhcit4zN9UlGiA0txPkO0"),
    ("", "$2a$04$abcdefghijklmnopqrstuu", "$2a$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"),
    ("", "$5$rounds=1000$saltstring", "$5$rounds=1000$saltstring$TzAJABAaJwl111nyuH1uQy8kjHahyMHq1D7Y09hLQV1"),
    ("secret", "ab", "abNANd1rDfiNc"),
    ("secret", "_J9..rasm", "_J9..rasmz0.F/jqjWck"),
    ("secret", "$1$saltsalt", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
    ("secret", "$2a$04$abcdefghijklmnopqrstuu", "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
    ("Größe und Länge", "ab", "abCivzLnME5GM"),
    ("Größe und Länge", "_J9..rasm", "_J9..rasmXsgcL.BrejY"),
    ("Größe und Länge", "$1$saltsalt", "$1$saltsalt$B6kRAaMKT7vaJlpElLXhn0"),
    (
        "Größe und Länge",
        "$2a$04$abcdefghijklmnopqrstuu",
        "$2a$04$abcdefghijklmnopqrstuunQB2iFPfAOtjLMveHuPLi2WO0vuK/M2",
    ),
    (
        "Größe und Länge",
        "$2x$04$abcdefghijklmnopqrstuu",
        "$2x$04$abcdefghijklmnopqrstuuDUnyo7psTI.BGRZbjiwpLpnNU8baPVu",
    ),
    (
        "Größe und Länge",
        "$5$rounds=1000$saltstring",
        "$5$rounds=1000$saltstring$QxVVUzrZUcjTnW/BBmrPKAXF4LmpfsV2tv2S5YxFHfA",
    ),
    (
        "Größe und Länge",
        "$6$rounds=1000$saltstring",
        "$6$rounds=1000$saltstring$QiD8M1RPWATf68rqs5iDqXxPdiF2mB3lZegFxdRChsDLvJjcQ4i3GavtRqykvxlenuFSah3cd3rWiE1mWME0i.",
    ),
)
"""Password, setting, result: of pgcrypto in Debian's PostgreSQL 15, and of glibc's crypt for SHA."""
_AES_KEY = "2b7e151628aed2a6abf7158809cf4f3c"
_AES_DATA = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
_IV = "000102030405060708090a0b0c0d0e0f"
_FIPS_DATA = "00112233445566778899aabbccddeeff"
_BLOWFISH_KEY = "0123456789abcdeff0e1d2c3b4a59687"
_BLOWFISH_DATA = "37363534333231204e6f77206973207468652074696d6520666f722000"
CIPHERS = (
    # FIPS 197, appendix C.
    ("aes-ecb/pad:none", _IV, "", _FIPS_DATA, "69c4e0d86a7b0430d8cdb78070b4c55a"),
    ("aes-ecb/pad:none", _IV + "1011121314151617", "", _FIPS_DATA, "dda97ca4864cdfe06eaf70a0ec0d7191"),
    (
        "aes-ecb/pad:none",
        _IV + "101112131415161718191a1b1c1d1e1f",
        "",
        _FIPS_DATA,
        "8ea2b7ca516745bfeafc49904b496089",
    ),
    # NIST SP 800-38A, F.2.1 and F.3.13.
    ("aes-cbc/pad:none", _AES_KEY, _IV, _AES_DATA, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"),
    ("aes-cfb", _AES_KEY, _IV, _AES_DATA, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"),
    ("aes-cfb", _AES_KEY, _IV, _AES_DATA[:40], "3b3fd92eb72dad20333449f8e83cfb4ac8a64537"),
    # Bruce Schneier's page on Blowfish (vectors by Eric Young).
    ("bf-ecb/pad:none", "0000000000000000", "", "0000000000000000", "4ef997456198dd78"),
    ("bf-ecb/pad:none", "ffffffffffffffff", "", "ffffffffffffffff", "51866fd5b85ecb8a"),
    ("bf-ecb/pad:none", "f0", "", "fedcba9876543210", "f9ad597c49db005e"),
    (
        "bf-cbc/pad:none",
        _BLOWFISH_KEY,
        "fedcba9876543210",
        _BLOWFISH_DATA + "000000",
        "6b77b4d63006dee605b156e27403979358deb9e7154616d959f1652bd5ff92cc",
    ),
    (
        "bf-cfb",
        _BLOWFISH_KEY,
        "fedcba9876543210",
        _BLOWFISH_DATA,
        "e73214a2822139caf26ecf6d2eb9e76e3da3de04d1517200519d57a6c3",
    ),
)
"""Cipher, key, initial vector, data, encrypted."""
LONG = {
    "aes-cbc": "77a471d45a47a0ca08fdaca65274f0b35a4cee61e07c14f519070eefd7e397c4",
    "aes-ecb": "6f2fd1c0eaa8808ae057c11dfc8090f72cbd95530146e49942528977e181a9f3",
    "bf-cbc": "5830b3a1ae7b48aa22049d3110eb17881fefd6b401d06be5fa004f8eccafb6df",
    "bf-ecb": "2ebb5fe7d243dcefa494e9e4e74fff4ca7d8b4caee55399737aea65c4304a00d",
    "bf-cfb": "64b95d39204a453176684fb2763faa638b8ef842ebafe195d71baa80935a0560",
}
"""SHA-256 of 4 KiB that pgcrypto with OpenSSL encrypted, which uses every entry of the tables."""
