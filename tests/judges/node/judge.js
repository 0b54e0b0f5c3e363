// kafkajs against a broker: `judge.js STORY BOOTSTRAP` tells one story and ends with an error where it does not hold.
const assert = require('assert')
const { Kafka, logLevel, CompressionTypes } = require('kafkajs')

const [story, bootstrap] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'judge', brokers: [bootstrap], logLevel: logLevel.NOTHING })

async function until(holds, what, seconds = 60) {
  const deadline = Date.now() + seconds * 1000
  while (!(await holds())) {
    assert(Date.now() < deadline, what())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function withAdmin(act) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await act(admin)
  } finally {
    await admin.disconnect()
  }
}

async function withProducer(options, act) {
  const producer = kafka.producer(options)
  await producer.connect()
  try {
    return await act(producer)
  } finally {
    await producer.disconnect()
  }
}

// A member that notes what it is given.
async function member(groupId, topic, seen) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 200 })
  let held = []
  consumer.on(consumer.events.GROUP_JOIN, (event) => { held = event.payload.memberAssignment[topic] || [] })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { seen.push(message) } })
  return { consumer, held: () => held }
}

const stories = {
  async admin() {
    await withAdmin(async (admin) => {
      assert.strictEqual((await admin.describeCluster()).brokers.length, 1)
      assert(await admin.createTopics({ topics: [{ topic: 'a', numPartitions: 2 }], waitForLeaders: true }))
      assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'a' }] }), false)
      await admin.createPartitions({ topicPartitions: [{ topic: 'a', count: 3 }] })
      const { topics } = await admin.fetchTopicMetadata({ topics: ['a'] })
      assert.strictEqual(topics[0].partitions.length, 3)
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: 'a', configEntries: [{ name: 'retention.ms', value: '1234567' }] }] })
      const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: 2, name: 'a', configNames: ['retention.ms'] }] })
      assert.strictEqual(resources[0].configEntries[0].configValue, '1234567')
      await withProducer({}, (producer) => producer.send({ topic: 'a', messages: Array.from({ length: 10 }, (_, i) => ({ value: `${i}`, partition: 0, timestamp: `${1000 + i}` })) }))
      const offsets = await admin.fetchTopicOffsets('a')
      assert.deepStrictEqual(offsets.find((o) => o.partition === 0), { partition: 0, offset: '10', high: '10', low: '0' })
      const byTime = await admin.fetchTopicOffsetsByTimestamp('a', 1004)
      assert.strictEqual(byTime.find((o) => o.partition === 0).offset, '4')
      await admin.deleteTopicRecords({ topic: 'a', partitions: [{ partition: 0, offset: '3' }] })
      assert.strictEqual((await admin.fetchTopicOffsets('a')).find((o) => o.partition === 0).low, '3')
      await admin.setOffsets({ groupId: 'g', topic: 'a', partitions: [{ partition: 0, offset: '5' }] })
      const [committed] = await admin.fetchOffsets({ groupId: 'g', topics: ['a'] })
      assert.strictEqual(committed.partitions.find((p) => p.partition === 0).offset, '5')
      assert((await admin.listGroups()).groups.some((g) => g.groupId === 'g'))
      await admin.deleteGroups(['g'])
      await admin.deleteTopics({ topics: ['a'] })
      assert(!(await admin.listTopics()).includes('a'))
    })
  },

  async producer() {
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic: 'p', numPartitions: 3 }] }))
    await withProducer({ idempotent: true }, async (producer) => {
      for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
        for (let batch = 0; batch < 10; batch++) {
          const messages = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `${compression}-${batch}-${i}`, headers: { h: 'x' } }))
          const told = await producer.send({ topic: 'p', messages, compression, acks: -1 })
          assert(told.every((t) => t.errorCode === 0))
        }
      }
    })
    const seen = []
    const { consumer } = await member('readers', 'p', seen)
    await until(() => seen.length >= 2000, () => `${seen.length} records came`)
    await consumer.disconnect()
    assert.strictEqual(new Set(seen.map((m) => m.value.toString())).size, 2000)
    assert(seen.every((m) => m.headers.h.toString() === 'x'))
  },

  async groups() {
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic: 'g', numPartitions: 4 }] }))
    const seen = []
    const first = await member('group', 'g', seen)
    await until(() => first.held().length === 4, () => `the first holds ${first.held()}`)
    const second = await member('group', 'g', seen)
    await until(() => first.held().length === 2 && second.held().length === 2, () => `they hold ${first.held()} and ${second.held()}`)
    await withProducer({}, (producer) => producer.send({ topic: 'g', messages: Array.from({ length: 400 }, (_, i) => ({ value: `${i}`, partition: i % 4 })) }))
    await until(() => seen.length >= 400, () => `${seen.length} records came`)
    await withAdmin(async (admin) => {
      const { groups } = await admin.describeGroups(['group'])
      assert.strictEqual(groups[0].state, 'Stable')
      assert.strictEqual(groups[0].members.length, 2)
    })
    await second.consumer.disconnect()
    await until(() => first.held().length === 4, () => `the first holds ${first.held()}`)
    await first.consumer.disconnect()
    assert.strictEqual(new Set(seen.map((m) => m.value.toString())).size, 400)
    assert.strictEqual(seen.length, 400)
    await withAdmin(async (admin) => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: 'group', topics: ['g'] })
      assert(partitions.every((p) => p.offset === '100'), JSON.stringify(partitions))
    })
  },

  async transactions() {
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }, { topic: 'from', numPartitions: 1 }] }))
    await withProducer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
      for (const [what, end] of [['kept', 'commit'], ['dropped', 'abort'], ['kept too', 'commit']]) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: 't', messages: [{ value: what, partition: 0 }, { value: what, partition: 1 }] })
        await transaction.sendOffsets({ consumerGroupId: 'tg', topics: [{ topic: 'from', partitions: [{ partition: 0, offset: what === 'dropped' ? '99' : '7' }] }] })
        await transaction[end]()
      }
    })
    const seen = []
    const { consumer } = await member('readers', 't', seen)
    await until(() => seen.length >= 4, () => `${seen.length} records came`)
    await consumer.disconnect()
    assert.deepStrictEqual(seen.map((m) => m.value.toString()).sort(), ['kept', 'kept', 'kept too', 'kept too'])
    await withAdmin(async (admin) => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: 'tg', topics: ['from'] })
      assert.strictEqual(partitions[0].offset, '7')
    })
  },
}

stories[story]().then(
  () => { console.log(`held: ${story}`); process.exit(0) },
  (error) => { console.error(error); process.exit(1) })
