/** Mean vectors of 40 passages and of 80 questions, as scripts/local-model-means.ts writes them. */

export const PASSAGE_MEAN = decode({
  scale: 0.0005474138682282815,
  bytes:
    '2SHmOiPywOyyEhr0jQif9ADRT/Lw6wz1HhtI5uLLCcr3qio3yM7vFeL/IvYH/90KU/yl2gbw1toLIN/ZPd2w3hAOSOsGFdrl9uAHxe1XJ/Mmx8AhzUgbyEEI7BvWM9sblicLIxAby+/+3BkPyA8S+AcAD/07FjnQyBzxDfXjHhMW/AWmGBDOydAOE1/mz09A7x4LDibiJtwS7DLC6f4dAe8ZRNMIy0va/zAI8QD4JmFaB84JEPAb+hA3DFLS7Pw+FBYyoBvw/8MH++GM9dEE0BVS9hMi5g/IvAAb7QUR6sLQRAv1RVs3GwMuTSAt3w0p/eIaGdEl8u7j2+KC2ZoFEPXe7+qv5CLR4iISGd8J+TQXCgney0zRAQcTQgXwAS9KzSAswOIuD40r5zMyIeXWJu3CIf8XF8YhzcAPuyX6I84F/rwFBOTZ4f77+vLuAjsGD93h8f3xJiCax+0kDGYdECreBvDZwzq6Iwz8xfYQC/cDw5cQ7OP1/wkgxjTTLYEV5yPzMRIQnucg9MkxHkLe4ahUJ/nuEOr6PBAYPP+vMaTkycjN8BQnWBsSAd7lAywE/tYKENQu4FINIvNVTSNFRjQqGMFMWBS1M0Eu1u7CRga2ahY77oRJ7/LhvBopDDjwVLTdot8MOJraDA7r19ga7PAJLh36FuTx2yz2LsT0ouI=',
})
export const QUESTION_MEAN = decode({
  scale: 0.000513982350432028,
  bytes:
    'Aw717+zxAwPeBiPzAQay+x0BS/EJA/3w8P4n3NvCCdHyqCsaogYN9gjkQfPw1AA4LvTm/jgJ7O/7MeXRwh6o7v0fC9YbAxzGEe4OuvJ/DuhN0uoQ7nMLvCH54QHpArML5PX4/A3yRxrMzf/1xiHyzfcEGB4TDj3X+iQLH8336xwPDien+jHPrEQBE1HbxlRF7z0FBxf4HsEC9DH03c0I3+YBaOTz7yzN+kP2/wn4E0g4Ghvb5AAMyt74ImjG4fIdBwu2yg4W9kbnDu2L/PvP/RtPzwwf9xL00Ro8+QX3CcQHKeTvJCklH+dAMkNeDQFg680ADUDEDuIJ7Aio55MPMPgAN9/fB/Ht1kf7Eej2GhMj8g7FsyoO9fchFf7a/UFZ/M0P1f4EJZMwGvhLGwSaJgacGiP+F+0kFt75qbQBIPIDCNz23PIK4/fo897gGmfjIg4eDbrZIfTCDT9WGG43+LfzCAfmmzrWS0QUqvXOG8T9GskD9BrOFfsI0A/MJ/bc8P7+OyoFqNLc3fNdGR30/7btCxH+Airn/QMRHRP+WkXJywb3DfT7xwgV/9ni/ztFEeoJv8nyzwMAOOxwOgkdLUs4FOJhUxPbIbdF7hbPKAT5ch9F/aJAAOT5w8EZEv76SN3Zm9njB7a3B0H49MQVPPgTYCgOEdX38ysu7AHXsug=',
})

function decode({ scale, bytes }: { readonly scale: number; readonly bytes: string }): Float32Array {
  const signed = new Int8Array(Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0)).buffer)
  return Float32Array.from(signed, (value) => value * scale)
}
