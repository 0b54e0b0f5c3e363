//! Messages in and out. Decoding goes through the plan room, which measures how deep a message nests before prost recurses.

use std::marker::PhantomData;

use bytes::Buf;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

pub(super) struct ConnectCodec<Out, In>(PhantomData<(Out, In)>);

impl<Out, In> ConnectCodec<Out, In> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<Out, In> Codec for ConnectCodec<Out, In>
where
    Out: prost::Message + Send + 'static,
    In: prost::Message + Default + Send + 'static,
{
    type Encode = Out;
    type Decode = In;
    type Encoder = ProstEncoder<Out>;
    type Decoder = BoundedDecoder<In>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(PhantomData)
    }
}

pub(super) struct BoundedDecoder<In>(PhantomData<In>);

impl<In: prost::Message + Default> Decoder for BoundedDecoder<In> {
    type Item = In;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<In>, Status> {
        let bytes = source.copy_to_bytes(source.remaining());
        andiron_plan::connect::decode(bytes).map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
