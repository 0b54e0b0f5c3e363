import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.Stores;

/** Java's own clients against a broker: `Judge STORY BOOTSTRAP` tells one story and ends with an error where it does not hold. */
public class Judge {
    static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[1];
        switch (arguments[0]) {
            case "admin" -> admin();
            case "producer" -> producer();
            case "groups" -> groups();
            case "transactions" -> transactions();
            case "streams" -> streams();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.out.println("held: " + arguments[0]);
        System.exit(0);
    }

    static void that(boolean holds, Object said) {
        if (!holds) throw new AssertionError(said);
    }

    static Properties with(Object... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) p.put(more[i], more[i + 1]);
        return p;
    }

    static Producer<String, String> producing(Object... more) {
        return new KafkaProducer<>(with(more), new StringSerializer(), new StringSerializer());
    }

    static Consumer<String, String> consuming(Object... more) {
        Properties p = with(more);
        p.putIfAbsent("auto.offset.reset", "earliest");
        p.putIfAbsent("enable.auto.commit", "false");
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static void create(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(with())) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    /** Everything that is in a topic now, as a reader of committed records sees it. */
    static List<ConsumerRecord<String, String>> read(String topic) {
        List<ConsumerRecord<String, String>> all = new ArrayList<>();
        try (Consumer<String, String> c = consuming("isolation.level", "read_committed")) {
            List<TopicPartition> partitions = c.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            c.assign(partitions);
            c.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = c.endOffsets(partitions);
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (!partitions.stream().allMatch(p -> c.position(p) >= ends.get(p))) {
                that(System.nanoTime() < deadline, "cannot be read to its end: " + ends);
                c.poll(Duration.ofMillis(100)).forEach(all::add);
            }
        }
        return all;
    }

    static <T extends Throwable> void refused(Class<T> why, Future<?> future) throws Exception {
        try {
            future.get();
        } catch (ExecutionException e) {
            that(why.isInstance(e.getCause()), e.getCause());
            return;
        }
        throw new AssertionError("not refused with " + why);
    }

    static void admin() throws Exception {
        try (Admin admin = Admin.create(with())) {
            that(admin.describeCluster().nodes().get().size() == 1, "one node");
            create("a", 2);
            refused(TopicExistsException.class, admin.createTopics(List.of(new NewTopic("a", 1, (short) 1))).all());
            refused(InvalidReplicationFactorException.class, admin.createTopics(List.of(new NewTopic("b", 1, (short) 3))).all());
            admin.createPartitions(Map.of("a", NewPartitions.increaseTo(4))).all().get();
            that(admin.describeTopics(List.of("a")).allTopicNames().get().get("a").partitions().size() == 4, "partitions");
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "a");
            admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "1234567"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
            Config config = admin.describeConfigs(List.of(topic)).all().get().get(topic);
            that(config.get("retention.ms").value().equals("1234567"), config);
            that(config.get("cleanup.policy").value().equals("delete,compact"), config);
            try (Producer<String, String> p = producing()) {
                for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>("a", 0, 1_000L + i, "k", "v" + i));
            }
            TopicPartition first = new TopicPartition("a", 0);
            that(admin.listOffsets(Map.of(first, OffsetSpec.latest())).all().get().get(first).offset() == 100, "latest");
            that(admin.listOffsets(Map.of(first, OffsetSpec.forTimestamp(1_050))).all().get().get(first).offset() == 50, "by time");
            admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(30))).all().get();
            that(admin.listOffsets(Map.of(first, OffsetSpec.earliest())).all().get().get(first).offset() == 30, "earliest");
            admin.alterConsumerGroupOffsets("g", Map.of(first, new OffsetAndMetadata(42, "here"))).all().get();
            Map<TopicPartition, OffsetAndMetadata> committed = admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get();
            that(committed.equals(Map.of(first, new OffsetAndMetadata(42, Optional.empty(), "here"))), committed);
            that(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals("g")), "groups");
            admin.deleteConsumerGroups(List.of("g")).all().get();
            refused(SecurityDisabledException.class, admin.describeAcls(AclBindingFilter.ANY).values());
            that(admin.describeMetadataQuorum().quorumInfo().get().leaderId() == 1, "quorum");
            that(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"), "features");
            that(!admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).isEmpty(), "log dirs");
            that(admin.describeProducers(List.of(first)).all().get().get(first).activeProducers().size() == 1, "producers");
            admin.deleteTopics(List.of("a")).all().get();
            refused(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of("a")).allTopicNames());
        }
    }

    static void producer() throws Exception {
        int sent = 0;
        create("p", 3);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (Producer<String, String> p = producing("compression.type", codec, "linger.ms", 5)) {
                List<Future<RecordMetadata>> sends = new ArrayList<>();
                for (int i = 0; i < 2_000; i++) {
                    sends.add(p.send(new ProducerRecord<>("p", null, "k" + i, codec + i, List.of(new RecordHeader("h", codec.getBytes())))));
                }
                for (Future<RecordMetadata> f : sends) that(f.get().hasOffset(), "an offset");
                sent += 2_000;
            }
        }
        List<ConsumerRecord<String, String>> all = read("p");
        that(all.size() == sent && new HashSet<>(all.stream().map(ConsumerRecord::value).toList()).size() == sent, all.size());
        that(all.stream().allMatch(r -> r.value().startsWith(new String(r.headers().lastHeader("h").value()))), "headers");
        try (Producer<String, String> p = producing("max.request.size", 5_000_000)) {
            refused(RecordTooLargeException.class, p.send(new ProducerRecord<>("p", "x".repeat(2_000_000))));
        }
    }

    static void groups() throws Exception {
        List<Object[]> kinds = List.of(
            new Object[] {"partition.assignment.strategy", RangeAssignor.class.getName()},
            new Object[] {"partition.assignment.strategy", CooperativeStickyAssignor.class.getName()},
            new Object[] {"group.protocol", "consumer"},
            new Object[] {"group.protocol", "consumer", "group.remote.assignor", "range"});
        for (int kind = 0; kind < kinds.size(); kind++) {
            String topic = "g" + kind;
            create(topic, 6);
            AtomicBoolean done = new AtomicBoolean();
            ConcurrentMap<String, Integer> seen = new ConcurrentHashMap<>();
            Set<Integer> holders = ConcurrentHashMap.newKeySet();
            ExecutorService threads = Executors.newCachedThreadPool();
            List<Future<?>> members = new ArrayList<>();
            for (int m = 0; m < 3; m++) {
                Object[] its = Arrays.copyOf(kinds.get(kind), kinds.get(kind).length + 2);
                its[its.length - 2] = "group.id";
                its[its.length - 1] = "group-" + kind;
                int member = m;
                members.add(threads.submit(() -> {
                    try (Consumer<String, String> c = consuming(its)) {
                        c.subscribe(List.of(topic));
                        while (!done.get()) {
                            for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(50))) seen.merge(r.value(), 1, Integer::sum);
                            if (c.assignment().size() == 2) holders.add(member); else holders.remove(member);
                            c.commitSync();
                        }
                    }
                }));
            }
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (holders.size() < 3) {
                that(System.nanoTime() < deadline, "the group does not share: " + holders);
                for (Future<?> m : members) if (m.isDone()) m.get();
                Thread.sleep(20);
            }
            try (Producer<String, String> p = producing()) {
                for (int i = 0; i < 1_200; i++) p.send(new ProducerRecord<>(topic, i % 6, null, "" + i));
            }
            while (seen.size() < 1_200) {
                that(System.nanoTime() < deadline, seen.size() + " records came");
                Thread.sleep(20);
            }
            done.set(true);
            for (Future<?> m : members) m.get();
            threads.shutdown();
            that(seen.values().stream().allMatch(times -> times == 1), "each record once");
            try (Admin admin = Admin.create(with())) {
                long committed = admin.listConsumerGroupOffsets("group-" + kind).partitionsToOffsetAndMetadata().get()
                    .values().stream().mapToLong(OffsetAndMetadata::offset).sum();
                that(committed == 1_200, committed);
            }
        }
    }

    static void transactions() throws Exception {
        create("in", 1);
        create("out", 2);
        try (Producer<String, String> p = producing()) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>("in", "" + i));
        }
        try (Producer<String, String> p = producing("transactional.id", "t"); Consumer<String, String> c = consuming("group.id", "tg")) {
            p.initTransactions();
            c.subscribe(List.of("in"));
            int taken = 0;
            boolean commit = false;
            while (taken < 100) {
                ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(200));
                if (records.isEmpty()) continue;
                p.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> r : records) {
                    p.send(new ProducerRecord<>("out", r.value(), commit ? "kept" : "dropped"));
                    offsets.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                p.sendOffsetsToTransaction(offsets, c.groupMetadata());
                if (commit) {
                    p.commitTransaction();
                    taken += records.count();
                } else {
                    p.abortTransaction();
                    // As if it had come for the first time.
                    for (TopicPartition at : c.assignment()) c.seek(at, 0);
                    commit = true;
                }
            }
            List<ConsumerRecord<String, String>> out = read("out");
            that(out.size() == 100 && out.stream().allMatch(r -> r.value().equals("kept")), out.size());
            try (Producer<String, String> second = producing("transactional.id", "t")) {
                second.initTransactions();
                p.beginTransaction();
                boolean fenced = false;
                try {
                    p.send(new ProducerRecord<>("out", "late")).get();
                    p.commitTransaction();
                } catch (ExecutionException e) {
                    fenced = e.getCause() instanceof ProducerFencedException || e.getCause() instanceof InvalidProducerEpochException;
                } catch (ProducerFencedException | InvalidProducerEpochException e) {
                    fenced = true;
                }
                that(fenced, "the first producer is fenced");
            }
        }
        try (Admin admin = Admin.create(with())) {
            that(admin.listConsumerGroupOffsets("tg").partitionsToOffsetAndMetadata().get().get(new TopicPartition("in", 0)).offset() == 100, "offsets");
            that(admin.describeTransactions(List.of("t")).all().get().get("t").transactionTimeoutMs() == 60_000, "described");
        }
    }

    static KafkaStreams counting(int instance, Properties more) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("words", Consumed.with(Serdes.String(), Serdes.String()))
            .selectKey((key, word) -> word)
            .groupByKey(Grouped.with("by-word", Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts")).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to("counted", Produced.with(Serdes.String(), Serdes.String()));
        Properties p = with("application.id", "count", "processing.guarantee", "exactly_once_v2", "commit.interval.ms", 100,
            "client.id", "instance-" + instance, "num.stream.threads", 2, "statestore.cache.max.bytes", 0, "session.timeout.ms", 6_000,
            "state.dir", System.getProperty("java.io.tmpdir") + "/streams-" + UUID.randomUUID(), "auto.offset.reset", "earliest");
        p.putAll(more);
        return new KafkaStreams(builder.build(), p);
    }

    /** Counts words exactly once over a repartition topic and a changelog, while one instance comes and another goes. */
    static void streams() throws Exception {
        create("words", 4);
        create("counted", 4);
        String[] words = {"ash", "beech", "cedar", "date", "elm", "fir", "gum", "hazel"};
        int rounds = 1_500;
        Thread feed = new Thread(() -> {
            try (Producer<String, String> p = producing("linger.ms", 5)) {
                for (int i = 0; i < rounds; i++) {
                    for (String word : words) p.send(new ProducerRecord<>("words", i % 4, null, word));
                    if (i % 100 == 0) p.flush();
                }
            }
        });
        KafkaStreams first = counting(1, new Properties());
        AtomicReference<Throwable> broken = new AtomicReference<>();
        first.setUncaughtExceptionHandler(e -> { broken.set(e); return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT; });
        first.start();
        feed.start();
        KafkaStreams second = counting(2, new Properties());
        second.start();
        feed.join();
        first.close(Duration.ofSeconds(30));
        that(broken.get() == null, broken.get());
        long deadline = System.nanoTime() + 120_000_000_000L;
        Map<String, Long> last = new HashMap<>();
        while (last.values().stream().filter(n -> n == rounds).count() < words.length) {
            that(System.nanoTime() < deadline, last);
            Thread.sleep(200);
            last.clear();
            Map<String, Set<String>> once = new HashMap<>();
            for (ConsumerRecord<String, String> r : read("counted")) {
                long n = Long.parseLong(r.value());
                that(n == last.getOrDefault(r.key(), 0L) + 1, r.key() + ": " + n + " after " + last.get(r.key()));
                last.put(r.key(), n);
            }
        }
        second.close(Duration.ofSeconds(30));
        that(last.size() == words.length && last.values().stream().allMatch(n -> n == rounds), last);
        try (Admin admin = Admin.create(with())) {
            Set<String> topics = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            that(topics.contains("count-counts-changelog") && topics.contains("count-by-word-repartition"), topics);
        }
    }
}
