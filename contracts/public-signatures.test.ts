import { describe, expect, it } from '@jest/globals';
import { Interface } from 'ethers';
import { dataManagementAbi } from './abi/data-management.ts';
import { identityTokenAbi } from './abi/identity-token.ts';
import { multicall3Abi } from './abi/multicall3.ts';
import { productNftAbi } from './abi/product-nft.ts';
import { rejuveTokenAbi } from './abi/rejuve-token.ts';

/**
 * Selectors and topics of the public contracts (computed with another tool than the test uses), so that a renamed
 * argument type on our side cannot pass unseen. The letters behind an event say which arguments are indexed (`i`).
 */
const ACCESS_CONTROL = [
  ['grantRole(bytes32,address)', '0x2f2ff15d'],
  ['revokeRole(bytes32,address)', '0xd547741f'],
  ['hasRole(bytes32,address)', '0x91d14854'],
  ['PAUSER_ROLE()', '0xe63ab1e9'],
  ['pause()', '0x8456cb59'],
  ['unpause()', '0x3f4ba83a'],
  ['paused()', '0x5c975abb'],
] as const;

const CONTRACTS = [
  {
    name: 'RejuveToken',
    abi: new Interface(rejuveTokenAbi),
    functions: [
      ...ACCESS_CONTROL,
      ['mint(address,uint256)', '0x40c10f19'],
      ['burn(uint256)', '0x42966c68'],
      ['burnFrom(address,uint256)', '0x79cc6790'],
      ['cap()', '0x355274ea'],
      ['decimals()', '0x313ce567'],
      ['transfer(address,uint256)', '0xa9059cbb'],
      ['transferFrom(address,address,uint256)', '0x23b872dd'],
      ['approve(address,uint256)', '0x095ea7b3'],
      ['balanceOf(address)', '0x70a08231'],
      ['totalSupply()', '0x18160ddd'],
      ['allowance(address,address)', '0xdd62ed3e'],
      ['MINTER_ROLE()', '0xd5391393'],
    ],
    events: [
      [
        'Transfer(address,address,uint256)',
        'ii-',
        '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
      ],
      [
        'Approval(address,address,uint256)',
        'ii-',
        '0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925',
      ],
      ['Paused(address)', '-', '0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258'],
      ['Unpaused(address)', '-', '0x5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa'],
    ],
  },
  {
    name: 'IdentityToken',
    abi: new Interface(identityTokenAbi),
    functions: [
      ...ACCESS_CONTROL,
      ['createIdentity(bytes,bytes32,address,string,uint256)', '0x7c374491'],
      ['burnIdentity(uint256)', '0xc5d56ec7'],
      ['getOwnerIdentity(address)', '0xea32fff7'],
      ['isRegistered(address)', '0xc3c5a547'],
      ['ifRegistered(address)', '0x4b557d8a'],
      ['IDENTITY_TYPE_HASH()', '0xad8a3a3a'],
      ['SPONSOR_ROLE()', '0xc2d79444'],
      ['tokenURI(uint256)', '0xc87b56dd'],
      ['ownerOf(uint256)', '0x6352211e'],
      ['locked(uint256)', '0xb45a3c0e'],
      ['supportsInterface(bytes4)', '0x01ffc9a7'],
    ],
    events: [
      [
        'IdentityCreated(address,address,uint256,string)',
        'ii--',
        '0xc4739989493aac5ffb02d99b2785959ec3863fd74228b1bee93cfe946ae69ec7',
      ],
      [
        'IdentityDestroyed(address,uint256)',
        'i-',
        '0xd70812186a78a59a55ff369a493553d06d83a81ce549d9927f25e7f285ffa421',
      ],
      [
        'Transfer(address,address,uint256)',
        'iii',
        '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
      ],
      ['Locked(uint256)', '-', '0x032bc66be43dbccb7487781d168eb7bda224628a3b2c3388bdf69b532a3a1611'],
      ['MetadataUpdate(uint256)', '-', '0xf8e1a15aba9398e019f0b49df1a4fde98ee17ae345cb5f6b5e2c27f5033e8ce7'],
    ],
  },
  {
    name: 'DataManagement',
    abi: new Interface(dataManagementAbi),
    functions: [
      ...ACCESS_CONTROL,
      ['submitData(address,bytes,bytes,uint256)', '0x7b2a9613'],
      ['getPermission(address,bytes,bytes,uint256,uint256,uint256)', '0xa4410675'],
      ['getPermissionStatus(bytes,uint256)', '0x5f233dab'],
      ['getPermissionDeadline(bytes,uint256)', '0x1370fb87'],
      ['getPermissionHashes(address)', '0x335ce372'],
      ['getDataOwnerId(bytes)', '0xa3085ce8'],
      ['getDataByTokenId(uint256,uint256)', '0x6439b3ca'],
      ['DATA_SUBMISSION_TYPE_HASH()', '0xa5bd7932'],
      ['PERMISSION_TYPE_HASH()', '0xc17fefe0'],
      ['SPONSOR_ROLE()', '0xc2d79444'],
    ],
    events: [
      [
        'DataSubmitted(address,uint256,bytes)',
        'ii-',
        '0x61c9805cf401b606419b3679e7abe7e7cd2c70612e477fad927b57cd793c4c64',
      ],
      [
        'PermissionGranted(uint256,uint256,uint256,bytes,bytes32)',
        'i----',
        '0x9d432c508a63a5706050fbd1cc156de901f2ce70149295334f1ea503168f8434',
      ],
    ],
  },
  {
    name: 'ProductNFT',
    abi: new Interface(productNftAbi),
    functions: [
      ...ACCESS_CONTROL,
      ['createProduct(uint256,uint256,string,address,bytes,bytes[],uint256[])', '0x18c85b4d'],
      ['linkNewData(uint256,uint256,string,address,bytes,bytes[],uint256[])', '0x2306cc1a'],
      ['getProductToData(uint256)', '0xc9187fe7'],
      ['getDataCredit(bytes,uint256)', '0x0e47cefa'],
      ['getDataOwnerAddress(bytes)', '0x59a96ffe'],
      ['getInitialDataLength(uint256)', '0x84ffeca5'],
      ['SIGNER_ROLE()', '0xa1ebf35d'],
    ],
    events: [
      [
        'ProductCreated(uint256,address,string,bytes[],uint256[])',
        '-----',
        '0x63e2c6c753e1a52720e4b2722de8cbd9f2cdec7877e7b337c2fbce63533511d6',
      ],
      [
        'NewDataLinked(uint256,bytes[],uint256[])',
        '---',
        '0x0d5bcc3cb98adc5778f35c805a29156280afd1cfe4d8c019920fc995578784bd',
      ],
    ],
  },
  {
    name: 'Multicall3',
    abi: new Interface(multicall3Abi),
    functions: [
      ['aggregate((address,bytes)[])', '0x252dba42'],
      ['aggregate3((address,bool,bytes)[])', '0x82ad56cb'],
      ['aggregate3Value((address,bool,uint256,bytes)[])', '0x174dea71'],
      ['tryAggregate(bool,(address,bytes)[])', '0xbce38bd7'],
      ['tryBlockAndAggregate(bool,(address,bytes)[])', '0x399542e9'],
      ['blockAndAggregate((address,bytes)[])', '0xc3077fa9'],
      ['getBasefee()', '0x3e64a696'],
      ['getBlockHash(uint256)', '0xee82ac5e'],
      ['getBlockNumber()', '0x42cbb15c'],
      ['getChainId()', '0x3408e470'],
      ['getCurrentBlockCoinbase()', '0xa8b0574e'],
      ['getCurrentBlockDifficulty()', '0x72425d9d'],
      ['getCurrentBlockGasLimit()', '0x86d516e8'],
      ['getCurrentBlockTimestamp()', '0x0f28c97d'],
      ['getEthBalance(address)', '0x4d2301cc'],
      ['getLastBlockHash()', '0x27e86d6e'],
    ],
    events: [],
  },
] as const;

describe.each(CONTRACTS)('$name', ({ abi, functions, events }) => {
  it('has every public function under its selector', () => {
    const ours = Object.fromEntries(
      functions.map(([signature]) => [signature, abi.getFunction(signature)?.selector]),
    );
    expect(ours).toEqual(Object.fromEntries(functions));
  });

  it('has every public event under its topic, with the same arguments indexed', () => {
    const ours = events.map(([signature]) => {
      const event = abi.getEvent(signature);
      const indexed = event?.inputs.map((input) => (input.indexed ? 'i' : '-')).join('');
      return [signature, indexed, event?.topicHash];
    });
    expect(ours).toEqual(events);
  });
});
