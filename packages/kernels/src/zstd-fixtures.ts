/**
 * Small zstd frames made by the reference implementation (1.5.7), with the size and MD5 of what they hold.
 * Together they have raw, RLE and compressed blocks; raw, Huffman (1 and 4 streams) and treeless literals; all modes of all tables.
 */
export interface ZstdFixture {
  readonly frame: string
  readonly bytes: number
  readonly md5: string
}

/* biome-ignore format: base64 */
export const zstdFixtures: readonly ZstdFixture[] = [
  {
    frame:
      'KLUv/WC6BEQAAAgXAQB7KiAE2hkA9wEAAA==',
    bytes: 1466,
    md5: '01ba161d78b8e5c0467a67bc302e9a24',
  },
  {
    frame:
      'KLUv/QRIRAAAED09AQCAAiwBAADyJkD2',
    bytes: 69,
    md5: '89ecb5c2dcc80129e3530dc551ddffd6',
  },
  {
    frame:
      'KLUv/STd7AIAYkYIBuAPIS7BOmEPOtWR/zWSBOMaHrSiFJ1jl61HiXDoMs0TG6gQJbgKUmrvECqiLD0QuB4DK0wAUbkXSOl9LMosAeYG' +
      '4m1wzSrhFwwqFYZrL/sZg3wvzRJlGt4WAQAAxYPsBg==',
    bytes: 221,
    md5: 'e2ad890e7ae7bd6dee8edee58093af0c',
  },
  {
    frame:
      'KLUv/QBIDAIAVAJBQkNERUZHSEhBR0xSU1ZHVFpHSFhLTUVIQ1BCQUJDREVGR0hFEwQFQMABBgQcYEDAAQYEHGBAwAEGBBxgLHIBAAA=',
    bytes: 189,
    md5: '16a6273dcdfce5b2d93bf416f17eb62b',
  },
  {
    frame:
      'KLUv/WADAKQCADYQFAfwOUKw9zMJEAARABEA0WJVfRgIC0SBzjY1oAiUouGwGmGqhDAr7NjGBhCBoQIEAS2DoQQM9RVSIQIIGKNmvEgo' +
      'QnUIFQJwIFuJNu2B1RMPAAEAAA==',
    bytes: 259,
    md5: 'de8d38b0ffee98e4db077cae237fc6bc',
  },
  {
    frame:
      'KLUv/QRYwAEANbNGgniq2jC8jM75q7m8snpSRMy1ZmnEbLjPXOgaBT5zFnP4fQrmy0bTvZoV8JZF8Ln7R/AqlRA0BACSCRsSgGUHIfoo' +
      'QQj45JFt82IkRkIVYx9bmyWCYQXbeoFrWS3Y4ZsFFQ7ildq4I0IfGCzXY83f46n1irokNNBfOn3WfTKCmad5V25F4vCcF8XMnkzbD0Dl' +
      'vcpPo6csoetmI5wDPhpNWZrFhFdHCgyAkKgQ8HsG4NcQzu8bAICQ0oqjEAwpBRQCAANFDGkJuiEssjMIP+rIOLXo2EMjagSrzwtOOgMB' +
      '+Ci0OmMg6nADXuIevgzJpF7BR6UGOAZPWAEAEEZ8fQOdxbIOAjAAAPGYUPmIUgEAAFkvKL4=',
    bytes: 2150,
    md5: '4150bcb578fe4c9ab64dcc648170cf43',
  },
  {
    frame:
      'KLUv/QBolAIAAkQND4DvkEBChGUPdqHADMzgQn2A0tK9pnmqt77AOEZGsy+X+FMcrycVXCWo4pbu4SdHLXg1JAg4qBDwewbglWENEZzP' +
      'HvsGI4WazrFDlMJOAeQDAELJGQ+Ae1DZF5thb9qikBiJcUJKVKDmpnoP9Ek0OBu4pXMMze5ykJO7B5K4Jn9i8xzXAGLwd8rvsZQKLxGH' +
      'PMeA51ZE7Hni/lkeSwQjSW9K36LW/wPbK3sdqOMiXygzS6YHl9zUeGiBngSAlbwgfvAJiMQWSURFJlHHRyABAAA=',
    bytes: 1935,
    md5: '85e5dcb70aa6e47d7b23ca2dee94770e',
  },
  {
    frame:
      'KLUv/WC3DEQAAAiJAQCI8oEQZAUABAZldWZldHJs8HRybGVtedh5Y2R1ZXluZXlyZGhmdm9hZXRsZW3KLI5uc49sZW1OZdIwZXluZU9l' +
      'dHLUZlrL4ydbJcgvfptlfnRyUwjrB5h/aiWG9XVmZcDPD3Sc0WFl71MhoDG0VWuu3wEgQgnZeilBQg4RYGZRO5a3GmTlaSR0485hCwp0' +
      'tD4sCeHZqq/ibDwsekCLbcRFLU4jdJp/E8EJe/eZJ787EA1aBWwAAAhxA8BZQBXoWhiK2wIsAQDCQggL0D1USZvXZgBgoISigXm5S6HU' +
      '0udRI/tKZyfQD7ELRwwAAQAA',
    bytes: 3511,
    md5: '8220f1ab1eb1b12ae827afc44dc1f947',
  },
  {
    frame:
      'KLUv/WQkA0QDAFIKGRCwJQ8wIdtmI4Fki0lSjlEYijmrgr+VzAWsGg9Zu5MyBMnbpYhxRqvs0gOfbgQGVSnKtz7iw2a6qYZDVzfMmQl1' +
      'NPk8CmO1sQv2d2GTVwWOeEwGIYfDKYt1AHmRkAAhs2unEwcAfAAACHEEAIFJqXBUANJg0IAr1AQARxAjIAAjACIAumpUYUUhjr8agTWK' +
      'C4vreoXuxaJ+vz5gsXs88D1go8BCWAVaxQIKGFADKgSge6PtRUAIXCFW0XihCACAAQtFYVTfGLe/gCJe7MUBNKBogQiIA7jX/QJGA+qL' +
      '7yogALRXrIUQiw5CgV1cRFzgKxT/vfEWwH3giEZd1KMRQAF4bVxxIyKAi0ADACDCwBwFkFahAVwAAAACABzBgkKvQQABAQAAi+q+gg==',
    bytes: 1060,
    md5: 'c3679ca5ebb2aaa1d99f319b5d8e51d4',
  },
  {
    frame:
      'KLUv/WAsA/wMAJpBaAYI8A0s/8zzMwljAGMAYwBAAyFjAt6h0LuNeboIFHaLz6puOpUJLsX+Uzn9Y46Pu0OLjCaPF6TYeyfDIB9wBOzv' +
      'ehB8u28FciX5A6+a2ucHo4G/26RdmlXcQ9ZFyeHZhmPI+/VXCr79+ADJUBqf9KhetSHVp/9solR0kdZ10KvvqTeNWEYBcmN5Q77f73vN' +
      'uWjBGkN41zz4h3UWfIkO7ISvbo9AJqc62oUQUP3iQfRWWAFH7Fg6wOvughsP+8Db+oNj7jbFjncSvVnEWTGZ8v0qmKRHsjtgW9FdEnFF' +
      'xwKC4iqScnDfwMBuMwAHN7QXTLBLQaPAgoMIm15Xk5o1TR3uchUbz+svQAjoi0zWUmyQyOJB06rFrSQG/l3dKtplC/L9nj5DkPhTzgJY' +
      'uwblbBvUjp0QtCVveiK9OBwA8AsSJYPheoCpNMlQFaV1BSs2UL6Riqpr6r8WON0zQ7hc9D9l5udom8BImH6/0fs/+4oM0G74ndTYRbVX' +
      'XLbv2qJYLnz/2XfNk5ZP7fvhn74L7hY7WwNZrXrx0DH4GgCYAAAzl47r4nR79UOyzlfawVAGpcOcAQAA',
    bytes: 1068,
    md5: '8703ee433f841ab408f19fa840bd5d23',
  },
  {
    frame:
      'KLUv/QRYfAcAltc6E6BVByCh7Jz8SSZWceP//9eq5gk0ADUANgA/Kz/uz49bs8iOA0g62iXNuAQGogWRchdcvJ06jogMB5aU4aM4zeeH' +
      'C1HbH18DVGB8sj0B5wHPR5kb+LbBLFj3YK/35Z7vGUQaSAlh3NFai7vRsDdW0mR1ZmKSXmC64ElSD6lQdDmGGKpuaobDtYQU1mEoDkvi' +
      'rUOe1mx2JRKg5c9ybCV85ikiP8OUHjZXxtmymdJepQJ8Wsgk1GC0jEH/sqPwKXta+/g/Uk0x0n1+kBvnol1VS60Q/wPcorFZzWCYOGNz' +
      '1MAKLxjF8PgIDK91CwDsFABLSGAKpAClAKIAzczAsqZyeEX5OlksPKVRK0hspYYpYxneqrm1PIZdKRng4FG5wJwFoGqrct2Wn6yAERQ8' +
      '4ZXwMizEvT20lntCLhp2b7AUSw9AbdUSp0I2M44rsKF1SgokbshyeaxZhlBwwVJeb8Bl7EReAsyECGv3S3DRhiEBXN6LEkBaXo/9ISAr' +
      '3iIOZvuAYhdjBFBOHib8CNY7yPgEUOI95yMKn/V2HHNZxAPKoFhbQrAIwVUP8V5lwKVjizsQGsDZlYx4JDmpJePziGtOwWBXU+E5YJOt' +
      'cYHAR5YCFgWjCUbumFdbkmjTWyNogboJ5W/YDyW4tAXS7EM5G5ED2Nwj7ngp4KItk4h7t2DzFNmBN8Rs4IrDw/SUeQkJ15OZaeiMWTyz' +
      '5HIM5Jz7wj3foLR0iSMdGz43CdNZ8Pcha68AGK3g6QAJKgjUCpMamiEhLwiJmKICwBglcsQXAbH2jzDAZ89fuNQiSXsvOrSqkYQQOgab' +
      'z0NFzFw2FwCOgz0hyGXvSRWmMuA6lTXCmiAkRha/rf7mDYEBduGhYNYyqnNYAt4qyRl3FIQnEeBmVbJyjIRQxwEQ1NjX2A7/+AEMw7k9' +
      'cGIZGS/9/1ngHkIFhwu/cxLa7DhBKc9nyLrfyU48CFa42DFgpfUzcoORIfd0bGLSwRDpqXO2lnCJiA1uJdIGUUhCBBcQKeGWBzNpfyQ0' +
      'b2VR4gGuXqpBnCnHvdIYkN5pQaBwMHWB/jcCqy9KtcqFRWezg+VZJtnXGYZ5gqQQOXnpOwmvl0uw78lyRpThHgZjoMLLB9wlRFLjCJSh' +
      'DGMKHaCAPAiQYxjW5Z6hgQ5oBGXwnOUV9fKM34haDCHBBzi7VEFgPwxKAGnxKzjEDoNVwbsDhakE9p5+IADsAgCkAmlhdOS9vPGR7EBC' +
      'mdx7OgaOJ+x1dG9v66H+c3V3c2xvZnYgZ2Fmc3RpURIQCtgdYlWkLp2PxoPpdYifHhwrzkyOZSVLWPIN1jEipawEj0CNoSZFmncZaZZY' +
      'kQUkCwCn4kVDAEcARAA3eBuDjNb/8UcvHhfX6HiEzPFGa340/u73aBfRF3+v2ZtFNn6N0NpGNPoahPZHxjVoc98YtH/0G9mgDSKaPa7X' +
      'i+wNBi0eoRHhrtF3kc2iQWsWHRHRIvwu2i8ig8hmEdo2CG1sH40xi7yIu8g3uEeEbNaY9SKziIhrbhZvxF3vGmPcNWiNP9541zxGxBvR' +
      'd80eDXr3CG32Rt8Y0RzR3ItGxkbo6Ihozb+2Of5ob5BB6D+afxGhbzRfvLnxzXF3v2gRGeHX/MgYjVlEtMEvOsYghLxo9jb/b4zfRUeE' +
      'EN5rvGs0yCBa+za68e1d//cuQmOOjGZthHuE6EXr3d09fm32xhgjG+Qv3sY+LuLX9iJ+FwMbAESTwzfnmzb/hpC3OdJqvsRk/eyK1DQu' +
      'QSke+LtirjbYVUjHDk7R4KUV4GAP8NEgV0aIz0H0cdtzlUyzm/FDI3OEuHgsvpc6AwEAAJHpCPI=',
    bytes: 2492,
    md5: '3b0af2e2501b2535d4658fe0867fe7d8',
  },
]
