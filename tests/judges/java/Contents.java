import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * What a cluster holds, as Java's clients see it, line by line and sorted: topics, settings, offsets, producers, transactions,
 * groups, and a checksum of all records. What only Apache Kafka is asked for (share and streams groups) begins with "apache ".
 * A line on stdin is `contents BOOTSTRAP`, `operate BOOTSTRAP` (settings that are no topic's) or `share BOOTSTRAP TOPIC GROUP`
 * (a member of a share group takes some records); the answer ends with a line `.`, or with one that begins with `!` and says what went wrong.
 */
public class Contents {
    static final byte[] NOTHING = {};
    static final Duration LONG = Duration.ofSeconds(30);

    public static void main(String[] none) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            String[] words = line.split(" ");
            try {
                switch (words[0]) {
                    case "contents" -> contents(words[1]).forEach(out::println);
                    case "operate" -> operate(words[1]);
                    case "share" -> share(words[1], words[2], words[3]);
                    default -> throw new IllegalArgumentException(line);
                }
                out.println(".");
            } catch (Throwable e) {
                StringWriter trace = new StringWriter();
                e.printStackTrace(new PrintWriter(trace));
                out.println("! " + trace.toString().replace("\n", " "));
            }
            out.flush();
        }
    }

    static Properties with(String bootstrap, Object... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) p.put(more[i], more[i + 1]);
        return p;
    }

    static SortedSet<String> contents(String bootstrap) throws Exception {
        SortedSet<String> told = new TreeSet<>();
        try (Admin admin = Admin.create(with(bootstrap))) {
            Map<String, TopicDescription> topics = admin.describeTopics(
                admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get()).allTopicNames().get();
            List<TopicPartition> partitions = new ArrayList<>();
            topics.forEach((name, topic) -> {
                told.add("topic " + name + " id=" + topic.topicId() + " internal=" + topic.isInternal());
                for (TopicPartitionInfo p : topic.partitions()) {
                    partitions.add(new TopicPartition(name, p.partition()));
                    told.add("partition " + name + "-" + p.partition() + " leader=" + p.leader().id() + " replicas=" + ids(p.replicas())
                        + " isr=" + ids(p.isr()));
                }
            });
            settings(admin, topics.keySet(), told);
            offsets(admin, partitions, told);
            admin.describeProducers(partitions).all().get().forEach((at, state) -> {
                for (ProducerState p : state.activeProducers()) told.add("producer " + at + " " + p);
            });
            List<String> ids = admin.listTransactions().all().get().stream().map(TransactionListing::transactionalId).toList();
            admin.describeTransactions(ids).all().get().forEach((id, t) -> told.add("transaction " + shortened(id) + " state=" + t.state()
                + " producer=" + t.producerId() + "/" + t.producerEpoch() + " timeout=" + t.transactionTimeoutMs() + " since="
                + t.transactionStartTimeMs() + " partitions=" + sorted(t.topicPartitions())));
            groups(admin, told);
            for (String isolation : List.of("read_committed", "read_uncommitted")) records(bootstrap, isolation, partitions, told);
        }
        return told;
    }

    static void settings(Admin admin, Set<String> topics, Set<String> told) throws Exception {
        List<ConfigResource> resources = new ArrayList<>();
        topics.forEach(name -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, name)));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions()).all().get().forEach(resources::add);
        Set<ConfigEntry.ConfigSource> dynamic = Set.of(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG,
            ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG);
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> config.entries().stream()
            .filter(e -> dynamic.contains(e.source())).forEach(e -> told.add("config " + resource + " " + e.name() + "=" + e.value())));
        told.add("quotas " + new TreeMap<>(text(admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get())));
        told.add("scram " + new TreeMap<>(text(admin.describeUserScramCredentials().all().get())));
        told.add("features " + new TreeMap<>(text(admin.describeFeatures().featureMetadata().get().finalizedFeatures())));
    }

    static void offsets(Admin admin, List<TopicPartition> partitions, Set<String> told) throws Exception {
        var ends = admin.listOffsets(all(partitions, OffsetSpec.latest())).all().get();
        ends.forEach((at, o) -> told.add("offset " + at + " end " + o.offset()));
        // The epoch of an empty log is that of its next record: of now.
        admin.listOffsets(all(partitions, OffsetSpec.earliest())).all().get().forEach((at, o) -> told.add("offset " + at + " start " + o.offset()
            + " epoch=" + (o.offset() == ends.get(at).offset() ? o.leaderEpoch().equals(ends.get(at).leaderEpoch()) : o.leaderEpoch().orElse(-1))));
        admin.listOffsets(all(partitions, OffsetSpec.maxTimestamp())).all().get().forEach((at, o) -> told.add("offset " + at + " of-latest "
            + o.offset() + " time=" + o.timestamp() + " epoch=" + o.leaderEpoch().orElse(-1)));
        ListOffsetsOptions committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
        admin.listOffsets(all(partitions, OffsetSpec.latest()), committed).all().get()
            .forEach((at, o) -> told.add("offset " + at + " last-stable " + o.offset()));
    }

    static void groups(Admin admin, Set<String> told) throws Exception {
        for (GroupListing g : admin.listGroups().all().get()) {
            String type = g.type().map(GroupType::toString).orElse("?"), id = g.groupId();
            boolean theirs = type.equalsIgnoreCase("share") || type.equalsIgnoreCase("streams");
            told.add((theirs ? "apache " : "") + "group " + id + " type=" + type + " protocol=" + g.protocol() + " state=" + g.groupState());
            if (type.equalsIgnoreCase("share")) {
                admin.listShareGroupOffsets(Map.of(id, new ListShareGroupOffsetsSpec())).all().get().get(id).forEach((at, o) ->
                    told.add("apache share-offset " + id + " " + at + (o == null ? " none" : " " + o.startOffset() + " epoch=" + o.leaderEpoch())));
                told.add("apache share-epochs " + id + " " + admin.describeShareGroups(List.of(id)).all().get().get(id));
                continue;
            }
            if (type.equalsIgnoreCase("streams")) {
                told.add("apache streams " + id + " " + admin.describeStreamsGroups(List.of(id)).all().get().get(id));
                told.add("apache streams-offsets " + id + " " + new TreeMap<>(text(admin.listStreamsGroupOffsets(
                    Map.of(id, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(id).get())));
                continue;
            }
            ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(id)).all().get().get(id);
            told.add("group " + id + " epoch=" + d.groupEpoch() + " target=" + d.targetAssignmentEpoch() + " assignor="
                + d.partitionAssignor() + " members=" + d.members().size());
            admin.listConsumerGroupOffsets(id).partitionsToOffsetAndMetadata().get().forEach((at, o) -> told.add("committed " + id + " " + at
                + (o == null ? " none" : " " + o.offset() + " epoch=" + o.leaderEpoch() + " " + o.metadata().length() + " " + o.metadata().hashCode())));
        }
    }

    /** Read to the end, or the last stable offset: how many, and a checksum of everything about them. */
    static void records(String bootstrap, String isolation, List<TopicPartition> partitions, Set<String> told) throws Exception {
        Map<TopicPartition, CRC32C> sums = new HashMap<>();
        Map<TopicPartition, Long> counts = new HashMap<>();
        try (Consumer<byte[], byte[]> c = new KafkaConsumer<>(with(bootstrap, "isolation.level", isolation, "enable.auto.commit", "false",
                "fetch.max.wait.ms", "50", "max.poll.records", "10000"), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.assign(partitions);
            c.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = c.endOffsets(partitions, LONG);
            long deadline = System.nanoTime() + LONG.toNanos();
            Set<TopicPartition> left = new HashSet<>(partitions);
            while (!left.isEmpty()) {
                if (System.nanoTime() > deadline) throw new IllegalStateException("cannot be read to their ends " + isolation + ": " + left);
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(100))) {
                    TopicPartition at = new TopicPartition(r.topic(), r.partition());
                    CRC32C sum = sums.computeIfAbsent(at, x -> new CRC32C());
                    sum.update((r.offset() + " " + r.timestamp() + " " + r.timestampType() + " " + r.leaderEpoch() + " " + (r.key() == null)
                        + (r.value() == null)).getBytes());
                    sum.update(r.key() == null ? NOTHING : r.key());
                    sum.update(r.value() == null ? NOTHING : r.value());
                    for (Header h : r.headers()) {
                        sum.update(h.key().getBytes());
                        sum.update(h.value() == null ? NOTHING : h.value());
                    }
                    counts.merge(at, 1L, Long::sum);
                }
                left.removeIf(at -> {
                    boolean read = c.position(at) >= ends.get(at);
                    if (read) c.pause(List.of(at));
                    return read;
                });
            }
        }
        for (TopicPartition at : partitions) {
            told.add("records " + at + " " + isolation + " " + counts.getOrDefault(at, 0L) + " crc="
                + (sums.containsKey(at) ? sums.get(at).getValue() : 0));
        }
    }

    static void operate(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(with(bootstrap))) {
            admin.incrementalAlterConfigs(Map.of(
                new ConfigResource(ConfigResource.Type.BROKER, ""), set("message.max.bytes", "1048600"),
                new ConfigResource(ConfigResource.Type.GROUP, "consumer-1"), set("consumer.session.timeout.ms", "50000"))).all().get();
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("user", "ann")),
                List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all().get();
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("ann",
                new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
        }
    }

    static List<AlterConfigOp> set(String name, String value) {
        return List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET));
    }

    static void share(String bootstrap, String topic, String group) throws Exception {
        try (Admin admin = Admin.create(with(bootstrap))) {
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group),
                set("share.auto.offset.reset", "earliest"))).all().get();
        }
        try (ShareConsumer<byte[], byte[]> c = new KafkaShareConsumer<>(with(bootstrap, "group.id", group),
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.subscribe(List.of(topic));
            long deadline = System.nanoTime() + LONG.toNanos();
            for (int taken = 0; taken < 100; taken += c.poll(Duration.ofMillis(500)).count()) {
                if (System.nanoTime() > deadline) throw new IllegalStateException("a share group gets no records");
            }
            c.commitSync();
        }
    }

    static Map<TopicPartition, OffsetSpec> all(List<TopicPartition> partitions, OffsetSpec spec) {
        return partitions.stream().collect(Collectors.toMap(p -> p, p -> spec));
    }

    static List<Integer> ids(List<Node> nodes) {
        return nodes.stream().map(Node::id).toList();
    }

    static List<String> sorted(Collection<?> things) {
        return things.stream().map(Object::toString).sorted().toList();
    }

    static Map<String, String> text(Map<?, ?> map) {
        Map<String, String> out = new HashMap<>();
        map.forEach((k, v) -> out.put(k.toString(), String.valueOf(v)));
        return out;
    }

    static String shortened(String id) {
        return id.length() > 60 ? id.substring(0, 60) + "#" + id.length() : id;
    }
}
